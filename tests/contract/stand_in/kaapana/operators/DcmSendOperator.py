from kaapana.operators.KaapanaBaseOperator import KaapanaBaseOperator


class DcmSendOperator(KaapanaBaseOperator):
    def __init__(self, dag, name="dcmsend", ae_title="NONE", level="element", **kwargs):
        super().__init__(dag=dag, name=name, image="registry/dcmsend:0", **kwargs)
