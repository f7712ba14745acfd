"""DyFlow's designer by rules: stages out of evidence."""
