// Command conduit-connector-openai-vectorstore is the destination as a standalone
// plugin of Conduit.
package main

import openaivs "github.com/conduitio-labs/conduit-connector-openai-vectorstore/connector"

func main() {
	openaivs.Serve()
}
