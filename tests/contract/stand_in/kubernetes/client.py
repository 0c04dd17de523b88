from dataclasses import dataclass


@dataclass
class V1SecretKeySelector:
    name: str
    key: str
    optional: bool = False


@dataclass
class V1EnvVarSource:
    secret_key_ref: V1SecretKeySelector


@dataclass
class V1EnvVar:
    name: str
    value_from: V1EnvVarSource
