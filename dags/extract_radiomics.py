"""An Airflow DAG: segmentations and the images they were drawn on become radiomics features.

The batch holds segmentations (DICOM SEG or RTSTRUCT); the images they refer to are fetched for each. The
features become Observations on the FHIR server and a file in the bucket; the join brings the chosen ones to
the series index. Reports and segmentations for the archive are stored by STOW-RS; where it takes none, as on Kaapana,
they are collected and sent by the platform's own step.
"""

from multimodal_operators.collect_results_operator import CollectResultsOperator
from multimodal_operators.compat import clean, get_input, get_ref_series, send_series
from multimodal_operators.extract_radiomics_operator import ExtractRadiomicsOperator
from multimodal_operators.join_metadata_operator import JoinMetadataOperator
from multimodal_operators.workflow import DAG, arguments

with DAG(**arguments("extract-radiomics"), description="Segmentations to radiomics features", schedule=None) as dag:
    masks = get_input(dag, modalities=["SEG", "RTSTRUCT"])
    images = get_ref_series(dag, input_operator=masks)
    extract = ExtractRadiomicsOperator(dag=dag, masks=masks, images=images, trigger_rule="none_failed")
    collect = CollectResultsOperator(dag=dag, input_operator=extract, trigger_rule="none_failed")
    send = send_series(dag, input_operator=collect, ae_title="radiomics")
    join = JoinMetadataOperator(dag=dag, trigger_rule="none_failed")

    masks >> images >> extract >> collect >> send >> join >> clean(dag)
