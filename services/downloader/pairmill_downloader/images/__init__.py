"""From fetched bytes to a stored image: pure functions of bytes and rules, called in child processes."""
