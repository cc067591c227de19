// Package openaitest emulates OpenAI's Files, Uploads and Vector Stores API.
package openaitest
