"""Thin operators: on Kaapana they are KaapanaBaseOperator, elsewhere its plain twin."""
