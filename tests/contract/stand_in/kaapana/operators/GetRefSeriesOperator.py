from kaapana.operators.KaapanaBaseOperator import KaapanaBaseOperator


class GetRefSeriesOperator(KaapanaBaseOperator):
    def __init__(self, dag, name="get-ref-series", search_policy="reference_uid", data_type="dicom", **kwargs):
        super().__init__(dag=dag, name=name, image="registry/get-ref-series:0", **kwargs)
