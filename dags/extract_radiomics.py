"""An Airflow DAG: segmentations and the images they were drawn on become radiomics features.

The batch holds segmentations (DICOM SEG or RTSTRUCT); the images they refer to are fetched for each. The
features become Observations on the FHIR server and a file in the bucket; the join brings the chosen ones to
the series index.
"""

from multimodal_operators.compat import clean, get_input, get_ref_series
from multimodal_operators.extract_radiomics_operator import ExtractRadiomicsOperator
from multimodal_operators.join_metadata_operator import JoinMetadataOperator
from multimodal_operators.workflow import DAG, arguments

with DAG(**arguments("extract-radiomics"), description="Segmentations to radiomics features", schedule=None) as dag:
    masks = get_input(dag, modalities=["SEG", "RTSTRUCT"])
    images = get_ref_series(dag, input_operator=masks)
    extract = ExtractRadiomicsOperator(dag=dag, masks=masks, images=images, trigger_rule="none_failed")
    join = JoinMetadataOperator(dag=dag, trigger_rule="none_failed")

    masks >> images >> extract >> join >> clean(dag)
