"""Tools as operators: whatever LangChain can call, and the tools that come with Flowwright."""
