"""The classes of links that a synthetic web is made of, each with its known end."""
