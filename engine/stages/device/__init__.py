"""What stages do with pictures where these lie on a device: twins of the helpers beside, made of kernels."""
