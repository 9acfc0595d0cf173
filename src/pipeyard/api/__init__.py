"""The HTTP interface: converts, delegates to the services, converts back."""
