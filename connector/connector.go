// Package openaivs is a Conduit destination for OpenAI vector stores.
package openaivs
