// Package vsclient keeps documents in an OpenAI vector store by key.
//
// OpenAI's API knows Files, which have ids and names, and their attachments to
// vector stores. It has no replace: a document that changes gets a new File, and
// the old one is the caller's to find and to remove. This package puts, gets and
// deletes documents by a key of the caller's choice, and does so without a gap:
// a new version is searchable before the old one goes.
//
//	client, err := vsclient.New(vsclient.Config{
//		APIKey:        os.Getenv("OPENAI_API_KEY"),
//		VectorStoreID: os.Getenv("OPENAI_VECTOR_STORE_ID"),
//	})
//	if err != nil {
//		log.Fatal(err)
//	}
//	defer func() { _ = client.Close() }()
//	result, err := client.Put(ctx, vsclient.Document{
//		Key:     "handbook/travel.md",
//		Content: vsclient.Path("docs/travel.md"),
//	})
//	if err != nil {
//		log.Fatal(err)
//	}
//	fmt.Println(result.Outcome, result.FileID) // created file-…
//
// # Keys
//
// A key is UTF-8 text of 1 to 1,024 bytes. Where it can be a file name with an
// extension that OpenAI indexes, it is the File's name; otherwise the name is made
// from it. A document is known by the attributes that the client writes on its
// store file ("vs_key", "vs_version", "vs_content"), never by its name alone, so
// that a File of somebody else's with the same name is left alone. A file of this
// store that has no such attributes and bears a name of the key is the key's: the
// earlier connector wrote it.
//
// # Many documents
//
// Put waits until its document is searchable, which takes seconds. To be fast,
// call it from many goroutines: calls for different keys run side by side and
// share attach requests and polling. [Client.Apply] does this for a slice of
// changes. Calls for one key take effect in the order in which they are made.
//
// # Failures
//
// Connection errors, 408, 409, 429 and 5xx are tried again, with exponential
// waits, never sooner than Retry-After says, until Config.RetryTimeout or the
// context ends; requests are paced to OpenAI's published limits beforehand.
//
// A put that is refused leaves the older version as it was, and no File. A version
// whose attach may have been accepted is not taken back: it becomes searchable, and
// the older one goes then, by this client or by the next one that changes the key.
// An upload whose reply was lost is repeated; the copy that may have arrived is
// neither used nor deleted, since nothing shows whose it is, and [Client.Sweep] lists
// it.
//
// Every error is an [*Error]: it names operation and key, [errors.Is] tells its kind,
// and [ClassOf] who has to act on it.
//
// Config.Logger is told of work in the background, Config.OnRequest of each request,
// for counters and timings.
//
// # One writer a key
//
// One process at a time should write a given key. Two that do still converge to
// one version: the newest "vs_version" wins, at the next change of the key, when the
// next process starts, or in [Client.Sweep].
package vsclient
