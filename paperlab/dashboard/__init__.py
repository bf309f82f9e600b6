"""The pages in the browser.  main.py is the entry point; nothing outside this package imports Streamlit."""
