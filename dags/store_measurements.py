"""An Airflow DAG: measurements that were made elsewhere become Observations on the FHIR server.

The batch holds Structured Reports (TID 1500, as viewers and public archives have them); their values are written
under the codes of our own extraction. Nothing is computed.
"""

from multimodal_operators.compat import clean, get_input
from multimodal_operators.store_measurements_operator import StoreMeasurementsOperator
from multimodal_operators.workflow import DAG, arguments

with DAG(**arguments("store-measurements"), description="Reports made elsewhere to FHIR", schedule=None) as dag:
    reports = get_input(dag, modalities=["SR"])
    store = StoreMeasurementsOperator(dag=dag, reports=reports, trigger_rule="none_failed")

    reports >> store >> clean(dag)
