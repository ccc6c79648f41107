"""Recipes of images, and what runs while they are built."""
