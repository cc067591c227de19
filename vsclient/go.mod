module github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient

go 1.26.0
