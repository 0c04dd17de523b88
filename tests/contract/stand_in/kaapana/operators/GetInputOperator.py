from kaapana.operators.KaapanaBaseOperator import KaapanaBaseOperator


class GetInputOperator(KaapanaBaseOperator):
    def __init__(self, dag, name="get-input-data", data_type="dicom", batch_name=None, **kwargs):
        super().__init__(dag=dag, name=name, image="registry/get-input:0", batch_name=batch_name, **kwargs)
