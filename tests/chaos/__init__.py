"""A deployed federation whose processes are killed and whose connections are cut, again and again."""
