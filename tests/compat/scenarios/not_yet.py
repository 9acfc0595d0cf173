"""What the platform cannot do yet: a scenario that needs it must fail. Empty: the platform is complete."""

NOT_YET = {
    "data store": "there is no data store yet",
    "metrics": "there are no metrics yet",
    "resource metrics": "nothing is measured yet",
    "templates": "there are no templates yet",
    "git": "pipelines from a git repository are refused",
    "periodic": "periodic deployments are refused",
    "mapping updates": "only is_enabled can be updated",
    "vector database": "none can be configured",
}
