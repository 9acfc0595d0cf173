"""What the platform cannot do yet: a scenario that needs it must fail. Empty: the platform is complete."""

NOT_YET: dict[str, str] = {}
