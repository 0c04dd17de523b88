"""An Airflow DAG: clinical tables become FHIR resources, then columns of the series index.

The user picks table files of the project's bucket and a mapping; the import maps every row, checks every
resource, loads them, and reports what did not come through. The join then brings the mapped columns to the
series of the same patients. A dry run changes nothing.
"""

from multimodal_operators.compat import clean
from multimodal_operators.import_clinical_operator import ImportClinicalOperator
from multimodal_operators.join_metadata_operator import JoinMetadataOperator
from multimodal_operators.workflow import DAG, arguments

with DAG(
    **arguments("import-clinical"), description="Clinical tables to FHIR and the series index", schedule=None
) as dag:
    import_tables = ImportClinicalOperator(dag=dag)
    join = JoinMetadataOperator(dag=dag, trigger_rule="none_failed")

    import_tables >> join >> clean(dag)
