"""An Airflow DAG: a draft mapping for tables that have none, for people who have only a browser.

The user picks table files of the project's bucket; the draft says of each column what it probably is and how sure
that is, and lies in `fhir-mappings/drafts/` of the bucket, with a preview and a report beside the other reports.
Nothing is imported: a person reads the draft, decides what it leaves open, and starts import-clinical with it.
"""

from multimodal_operators.compat import clean
from multimodal_operators.draft_mapping_operator import DraftMappingOperator
from multimodal_operators.workflow import DAG, arguments

with DAG(**arguments("draft-mapping"), description="A draft mapping for clinical tables", schedule=None) as dag:
    draft = DraftMappingOperator(dag=dag)

    draft >> clean(dag)
