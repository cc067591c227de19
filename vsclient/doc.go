// Package vsclient keeps documents in an OpenAI vector store by key.
//
// OpenAI's API has no replace: a document that changes gets a new File with a new id, and
// the caller has to find and remove the old one. This package puts, gets and deletes
// documents by a key of the caller's choice.
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
// A key is UTF-8 text of 1 to 1,024 bytes, and one key has one document. Where a key can
// be a file name with an extension that OpenAI indexes, it is the name of the File;
// otherwise the name is made from it.
//
// A name proves nothing. The client writes "vs_key", "vs_version" and "vs_content" into
// the attributes of the store file, and knows the document by them. A File of somebody
// else that has the same name is left alone. A file of this store that has no such
// attributes, and has a name of the key, counts as the key's document: the earlier connector,
// which did not use this package, wrote such files.
//
// # Replacing
//
// [Client.Put] uploads the new version, attaches it, waits until it was seen searchable,
// and then removes the older one: the store file first, then the File. So there is no
// moment without a searchable version. For a short time both are there; the higher
// "vs_version" is the newer one. The same content makes no upload, and the same content
// with other attributes makes one request to update them.
//
// A put that is refused, or that OpenAI fails to index, leaves the older version as it
// was and removes its own File. A version whose attach may have been accepted is not taken
// back because a caller gave up or a process ended: it becomes searchable, and the older
// one goes then, by this client or by the next one that changes the key.
//
// Everything may be repeated. After a kill, the next put of the key, the next client of
// the store, or [Client.Sweep] settles the rest.
//
// # Many documents
//
// A put takes seconds. To be fast, call Put from many goroutines, or [Client.Apply] with
// many changes: they share attach requests and looks. A client is safe for concurrent
// use. Calls for one key take effect in the order in which they were made; others run
// side by side. With Config.Async, Put waits for the attach alone.
//
// # Retries
//
// Connection errors, 429, 5xx and refusals that may pass (408, 409, 423, 425, 460, 499) are
// tried again, with exponential waits and never sooner than Retry-After says, until
// Config.RetryTimeout or the context ends. A GET or DELETE that is refused with a 400 of unknown
// reason is tried six times in all. A 429 holds up all requests of its kind. Requests are paced
// beforehand to the limits that OpenAI publishes; clients of one API key share a [Pacer].
//
// A reply that was lost is no failure. An attach is repeated only after a look has found
// the File absent. An upload is repeated as well; the copy that may have arrived is
// neither used nor deleted, since nothing shows whose it is, and a sweep lists it. After a
// version that OpenAI fails to index by its own fault, Put uploads afresh, twice at most.
//
// # Errors
//
// Every error is an [*Error], which names the operation and the key, or joins several
// ([Client.Flush], [Client.Shutdown], [Client.Close]). [ClassOf] says who has to act:
//
//	switch vsclient.ClassOf(err) {
//	case vsclient.BadDocument: // set this one aside and go on
//	case vsclient.Transient: // the same call may succeed later
//	case vsclient.Fatal: // a key, a quota, the store: nothing succeeds until a person has acted
//	case vsclient.Stopped: // the context has ended, or the client is closed
//	}
//
// [errors.Is] tells the kind ([ErrTooLarge], [ErrIndexing], [ErrStoreGone], …), and
// [errors.As] finds an [*APIError] with the status and the request id where OpenAI has
// answered. No error, log or printed Config holds the API key. Package net/http prints to
// the standard logger the beginning of bytes that a server sends after a reply. If your
// server may repeat the key there, redirect that logger with log.SetOutput.
//
// # Searching
//
// [Client.Search] finds pieces of documents, each with its key and attributes; package
// filter makes conditions on attributes. [KeyOf] returns the key of a hit that another
// client of the API has found.
//
// # Tidying
//
// [Client.Sweep] settles each key of the store to one version. It removes Files that are
// attached to no store and that more than their name proves to be ours; with
// SweepOptions.DryRun it lists them. [Client.Close] ends the client within ten seconds,
// and [Client.Shutdown] lets calls under way end first. Neither takes back anything that
// was acknowledged or accepted.
//
// # One writer a key
//
// One process at a time should write a given key. Two that do still converge to one
// version: the newest wins, at the next change of the key, when the next process
// starts, or in a sweep. A running client may miss for up to ten minutes that another
// process has changed a document. docs/limits.md lists the promises that OpenAI's API
// allows nobody to make.
package vsclient
