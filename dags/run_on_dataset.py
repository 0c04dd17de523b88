"""An Airflow DAG: any installed workflow on a dataset of which some series are only referenced.

Workflows of others know the internal archive alone. What it lacks of the dataset is fetched from its own store and
sent there, on Kaapana by way of its CTP; when all of it has arrived the chosen workflow is started on the whole
dataset. On request the copies are deleted when that has ended, however it ended, and the references stay as they were.
"""

from multimodal_operators.compat import clean, send_series
from multimodal_operators.evict_copies_operator import EvictCopiesOperator
from multimodal_operators.fetch_referenced_operator import FetchReferencedOperator
from multimodal_operators.run_workflow_operator import RunWorkflowOperator
from multimodal_operators.workflow import DAG, arguments

with DAG(**arguments("run-on-dataset"), description="Any workflow on a mixed dataset", schedule=None) as dag:
    fetch = FetchReferencedOperator(dag=dag)
    send = send_series(dag, input_operator=fetch)
    start = RunWorkflowOperator(dag=dag, trigger_rule="none_failed")
    evict = EvictCopiesOperator(dag=dag, trigger_rule="all_done")

    fetch >> send >> start >> evict >> clean(dag)
