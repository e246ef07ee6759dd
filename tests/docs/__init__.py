"""The pages of docs/ that an operator follows are followed here."""
