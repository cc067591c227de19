// Package vsclient keeps documents in an OpenAI vector store by key.
package vsclient
