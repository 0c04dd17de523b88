"""An Airflow DAG: every study of the image store gets its ImagingStudy and Patient in the FHIR server.

A patient whose clinical rows came first is found by the same identifier, so that scans and rows meet.
"""

from multimodal_operators.compat import clean
from multimodal_operators.sync_imaging_operator import SyncImagingOperator
from multimodal_operators.workflow import DAG, arguments

with DAG(**arguments("sync-imaging"), description="Studies of the image store to FHIR", schedule=None) as dag:
    sync = SyncImagingOperator(dag=dag)

    sync >> clean(dag)
