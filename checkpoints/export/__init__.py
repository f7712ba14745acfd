"""Export: stored runs as files that trainers read, each with a data card and a ledger beside it. One format a file."""
