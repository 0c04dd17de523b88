"""An Airflow DAG: clinical columns and features are joined into the series documents of the index.

The other workflows end with this step; on its own it serves after the index was rebuilt.
"""

from multimodal_operators.compat import clean
from multimodal_operators.join_metadata_operator import JoinMetadataOperator
from multimodal_operators.workflow import DAG, arguments

with DAG(
    **arguments("join-metadata"), description="Clinical columns and features to the series index", schedule=None
) as dag:
    join = JoinMetadataOperator(dag=dag)

    join >> clean(dag)
