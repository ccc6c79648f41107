"""What must become of every link of a synthetic web, found without the pipeline's own code."""
