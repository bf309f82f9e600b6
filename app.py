"""The dashboard: `streamlit run app.py`, or `paperlab dashboard` from any folder.

.streamlit/config.toml beside this file binds the server to 127.0.0.1 and turns usage statistics off; Streamlit reads it
wherever it is started from.  Started with another address (`--server.address=0.0.0.0`), the pages are shown and say
that everyone who can reach the machine can read them; started with no address at all (a copy of this file alone),
Streamlit would listen on every address, so the pages refuse and name the command that helps.

The file is both: the server, which Streamlit imports once, and the script, which it runs for every visitor.
"""

import streamlit as st
from starlette.middleware import Middleware

from paperlab.dashboard import serving

if __name__ == "__main__":
    from paperlab.dashboard import main

    main.show()
else:  # the pages are imported once the server runs: their caches ask for it
    app = st.App(__file__, middleware=[Middleware(serving.OwnPage)], lifespan=serving.started)
