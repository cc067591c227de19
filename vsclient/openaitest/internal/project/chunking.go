package project

// Chunking is a static chunking strategy in tokens.
type Chunking struct{ Size, Overlap int }

// AutoChunking is the strategy auto.
var AutoChunking = Chunking{800, 400}

// embeddingBytes is the size of a chunk's embedding: 256 dimensions of four bytes.
const embeddingBytes = 256 * 4

// usage returns the storage of a text of n bytes: its chunks and an embedding for
// each. A recorded reply of the live API shows 1036 bytes for a text of 12.
func (c Chunking) usage(n int64) int64 {
	size, overlap := int64(c.Size)*bytesPerToken, int64(c.Overlap)*bytesPerToken
	chunks := int64(1)
	if n > size {
		chunks += (n - overlap - 1) / (size - overlap)
	}
	return n + (chunks-1)*overlap + chunks*embeddingBytes
}
