"""What is called: the explorer's services as messages, over gRPC here and as JSON in `http`."""
