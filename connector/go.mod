module github.com/conduitio-labs/conduit-connector-openai-vectorstore/connector

go 1.26.0
