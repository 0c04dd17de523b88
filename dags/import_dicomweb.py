"""An Airflow DAG: series of an external DICOMweb store, by reference or as copies.

By reference: a document in the project's index says what each series is and in which store it lies, with a thumbnail,
and each study gets its ImagingStudy; the images stay there. As copies: the images are fetched, verified, and sent to
the internal archive, on Kaapana by way of its CTP, which makes the documents itself; their studies get ImagingStudies
too. The join then brings clinical columns to the series.
"""

from multimodal_operators.compat import clean, send_series
from multimodal_operators.fetch_external_operator import FetchExternalOperator
from multimodal_operators.import_dicomweb_operator import ImportDicomwebOperator
from multimodal_operators.join_metadata_operator import JoinMetadataOperator
from multimodal_operators.workflow import DAG, arguments

with DAG(**arguments("import-dicomweb"), description="Series of an external DICOMweb store", schedule=None) as dag:
    fetch = FetchExternalOperator(dag=dag)
    send = send_series(dag, input_operator=fetch)
    register = ImportDicomwebOperator(dag=dag, input_operator=fetch, trigger_rule="none_failed")
    join = JoinMetadataOperator(dag=dag, trigger_rule="none_failed")

    fetch >> send >> register >> join >> clean(dag)
