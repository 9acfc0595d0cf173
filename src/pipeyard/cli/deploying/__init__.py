"""From a folder to an endpoint: what the code says of itself, and the steps to have it served."""
