from kaapana.operators.KaapanaBaseOperator import KaapanaBaseOperator


class LocalWorkflowCleanerOperator(KaapanaBaseOperator):
    def __init__(self, dag, clean_workflow_dir=True, **kwargs):
        super().__init__(dag=dag, name="workflow-cleaner", image="registry/workflow-cleaner:0", **kwargs)
