from kaapana.operators.KaapanaBaseOperator import KaapanaBaseOperator
from urllib3.exceptions import MaxRetryError


class LocalWorkflowCleanerOperator(KaapanaBaseOperator):
    def __init__(self, dag, clean_workflow_dir=True, **kwargs):
        super().__init__(dag=dag, name="workflow-cleaner", image="registry/workflow-cleaner:0", **kwargs)

    def post_execute(self, context, result=None):
        raise MaxRetryError(None, "/api/v1/namespaces", "the cluster's API does not answer")
