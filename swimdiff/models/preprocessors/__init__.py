"""From a batch of the loader to the input of the network, on the device."""
