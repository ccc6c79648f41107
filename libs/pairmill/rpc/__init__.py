"""What every gRPC server of the project has in common: who may call what, how long, with how much."""
