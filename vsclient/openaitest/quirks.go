package openaitest

import (
	"fmt"
	"iter"
	"reflect"
	"strings"
)

// Quirks are switches for questions that OpenAI's documents leave open or answer in
// more than one way, for behaviour that users report of the live API against them, and
// for that of other servers. The zero value keeps to the documents. The names in JSON are those of the flags of
// the program openaitest.
type Quirks struct {
	// MissingExtension is the fate of a file whose name has no extension.
	MissingExtension MissingExtension `json:"missing_extension,omitempty"`

	// MaxFilename is the longest file name accepted, in characters; 0: any.
	MaxFilename int `json:"max_filename,omitempty"`
	// BaseFilenames keeps of a file name only the part behind its last slash.
	BaseFilenames bool `json:"base_filenames,omitempty"`
	// DecodeFilenames decodes %22, %0D and %0A, which is how browsers and SDKs
	// write a quote, CR and LF into a multipart header.
	DecodeFilenames bool `json:"decode_filenames,omitempty"`
	// AlterFilenames alters every file name before it is stored; empty: names are
	// stored as they were sent. It comes after BaseFilenames and DecodeFilenames.
	AlterFilenames AlterFilenames `json:"alter_filenames,omitempty"`
	// CheckUploadExtension refuses unsupported extensions at POST /files
	// already, for purpose assistants.
	CheckUploadExtension bool `json:"check_upload_extension,omitempty"`

	// ExtensionCase tells extensions apart by case: "a.MD" has an unsupported one.
	ExtensionCase bool `json:"extension_case,omitempty"`

	// AttributesDropped stores no attributes: attaches, batches and updates take
	// them, and every reply shows none.
	AttributesDropped bool `json:"attributes_dropped,omitempty"`
	// SearchKeepsAttributes has searches filter by, and show, the attributes that a file
	// was attached with, whatever update came after that, as OGX does.
	SearchKeepsAttributes bool `json:"search_keeps_attributes,omitempty"`
	// AttributeValueMax is the longest attribute value; 0 is 512, as in the
	// OpenAPI document; the retrieval guide says 256.
	AttributeValueMax int `json:"attribute_value_max,omitempty"`
	// AttributeBytes counts the length of attributes in bytes, not characters.
	AttributeBytes bool `json:"attribute_bytes,omitempty"`

	// ReattachKeepsAttributes leaves the attributes of a file that is attached
	// again as they were, instead of setting those of the second attach.
	ReattachKeepsAttributes bool `json:"reattach_keeps_attributes,omitempty"`
	// ReattachReindexes puts a completed file that is attached again back to
	// in_progress. A file that is not completed is always indexed anew.
	ReattachReindexes bool `json:"reattach_reindexes,omitempty"`

	// BadFileInBatch is the effect of one unknown id or unsupported file on the
	// batch that holds it.
	BadFileInBatch BadFileInBatch `json:"bad_file_in_batch,omitempty"`
	// UnknownFile400 answers 400 instead of 404 when a file that does not exist
	// is attached.
	UnknownFile400 bool `json:"unknown_file_400,omitempty"`

	// Absent400 answers 400 instead of 404, with a message that says "not found" and
	// names the id, to a vector store or store file that does not exist, as OGX
	// does. AbsentFile400 does the same to a File.
	Absent400     bool `json:"absent_400,omitempty"`
	AbsentFile400 bool `json:"absent_file_400,omitempty"`

	// SecondDetachOK answers 200 when a file is detached that already was,
	// instead of 404.
	SecondDetachOK bool `json:"second_detach_ok,omitempty"`

	// DetachEverywhere has a detach in one store detach the File in all stores, as a
	// user reports of the live API.
	DetachEverywhere bool `json:"detach_everywhere,omitempty"`

	// RateLimitHeaders sends x-ratelimit-* with replies under a limit.
	RateLimitHeaders bool `json:"rate_limit_headers,omitempty"`

	// ContentPageSize is how many chunks a page of a store file's parsed
	// content holds; 0: all on one page. The next page is asked for with
	// ?page=<next_page>.
	ContentPageSize int `json:"content_page_size,omitempty"`
	// ContentNotFound answers 404 to every request for parsed content.
	ContentNotFound bool `json:"content_not_found,omitempty"`
	// ContentLegacyShape answers parsed content as the example of the OpenAPI
	// document does: {file_id, filename, attributes, content}.
	ContentLegacyShape bool `json:"content_legacy_shape,omitempty"`
	// ContentOverlap repeats in each chunk of the parsed content the overlap
	// with the one before.
	ContentOverlap bool `json:"content_overlap,omitempty"`

	// IdempotencyKeys honours the header Idempotency-Key: a POST with a key
	// that was seen gets the first reply again. Otherwise it is ignored.
	IdempotencyKeys bool `json:"idempotency_keys,omitempty"`

	// DeleteLeavesCounts keeps a deleted File counted in the file_counts of the
	// stores that it was attached to when it was deleted.
	DeleteLeavesCounts bool `json:"delete_leaves_counts,omitempty"`
	// DeleteLeavesStoreFile keeps the store file when its File is deleted.
	DeleteLeavesStoreFile bool `json:"delete_leaves_store_file,omitempty"`
	// ExpiryLeavesStoreFile keeps the store file when its File expires.
	ExpiryLeavesStoreFile bool `json:"expiry_leaves_store_file,omitempty"`

	// DeletedCursorRefused answers 400 to `after` and `before` that name an object that
	// is no longer in the listing, instead of going on from its place.
	DeletedCursorRefused bool `json:"deleted_cursor_refused,omitempty"`
	// FilterAfterPage filters a listing after its pages were cut: pages may
	// be short or empty though has_more is true.
	FilterAfterPage bool `json:"filter_after_page,omitempty"`
	// ShuffledTies orders objects that were created in the same second by chance, not
	// in the order of creation.
	ShuffledTies bool `json:"shuffled_ties,omitempty"`

	// UpdateWhileIndexingRefused answers 409 to an update of the attributes of
	// a file that is in progress.
	UpdateWhileIndexingRefused bool `json:"update_while_indexing_refused,omitempty"`
	// WritesNotFound has the NotFoundWindow hold for the update and the detach of
	// a store file, too.
	WritesNotFound bool `json:"writes_not_found,omitempty"`

	// BatchesNotTaken is the answer of a server that takes no batches; empty: they are taken.
	BatchesNotTaken BatchesNotTaken `json:"batches_not_taken,omitempty"`
	// BatchMax is the most files of a batch; 0 is 2,000. It was 100 and 500 before.
	BatchMax int `json:"batch_max,omitempty"`
	// StoreFilesMax is the most files of a store; 0 is any number. It is 10,000
	// for stores made before November 2025.
	StoreFilesMax int `json:"store_files_max,omitempty"`
	// UnknownBatch500 and CancelBatch500 answer 500 to an unknown batch id and
	// to the cancel of a batch.
	UnknownBatch500 bool `json:"unknown_batch_500,omitempty"`
	CancelBatch500  bool `json:"cancel_batch_500,omitempty"`
	// FreshBatchListing500 answers 500 to the listing of a batch's files in the two
	// seconds after its creation, as one recorded reply of the live API.
	FreshBatchListing500 bool `json:"fresh_batch_listing_500,omitempty"`
	// BatchGetReturnsStore answers GET on a batch with its vector store.
	BatchGetReturnsStore bool `json:"batch_get_returns_store,omitempty"`
	// SpecBatchObject names the object type of a batch as the OpenAPI document's
	// enum does, vector_store.files_batch. The live API says, and by default
	// the server does too, vector_store.file_batch.
	SpecBatchObject bool `json:"spec_batch_object,omitempty"`

	// EarlyCompleted has a vector store say completed while it still indexes.
	EarlyCompleted bool `json:"early_completed,omitempty"`
	// NullBytes answers POST /files with bytes null.
	NullBytes bool `json:"null_bytes,omitempty"`
	// OctetStreamUploads takes application/octet-stream as the mime_type of an upload
	// for purpose assistants; tests of others that run against the live API do so,
	// while the OpenAPI document asks for a supported type.
	OctetStreamUploads bool `json:"octet_stream_uploads,omitempty"`
	// CompleteTwiceOK answers a repeated complete of an upload with the same
	// upload and file, instead of 400.
	CompleteTwiceOK bool `json:"complete_twice_ok,omitempty"`
	// IgnoreUnknownFields ignores body fields that the API does not know,
	// instead of answering 400.
	IgnoreUnknownFields bool `json:"ignore_unknown_fields,omitempty"`
}

// MissingExtension is the fate of a file whose name has no extension.
type MissingExtension string

const (
	MissingRefused  MissingExtension = "refused"  // the attach is answered 400; the default
	MissingFails    MissingExtension = "fails"    // attached, then failed with unsupported_file
	MissingAccepted MissingExtension = "accepted" // indexed as text
)

// BadFileInBatch is the effect of a file that cannot be attached on its batch.
type BadFileInBatch string

const (
	BadFileRefusesBatch BadFileInBatch = "refuse" // the batch is answered 400 or 404 and attaches nothing; the default
	BadFileFails        BadFileInBatch = "fail"   // the others are attached; it counts as failed
	BadFileSkipped      BadFileInBatch = "skip"   // the others are attached; it is not counted at all
)

// BatchesNotTaken is the answer of a server that takes no batches.
type BatchesNotTaken string

const (
	BatchesNotFound BatchesNotTaken = "not_found"    // every request under …/file_batches is answered 404, as to an unknown URL
	BatchesFail     BatchesNotTaken = "server_error" // every request under …/file_batches is answered 500
	// BatchesEmpty answers a new batch of "files" with 200, status completed and total 0,
	// and attaches nothing, as OGX does; it takes one of "file_ids".
	BatchesEmpty BatchesNotTaken = "empty"
)

// ReportedQuirks are those that users report of the live API and that
// contradict its documents.
func ReportedQuirks() Quirks {
	return Quirks{
		DeleteLeavesCounts:   true,
		UnknownBatch500:      true,
		CancelBatch500:       true,
		FreshBatchListing500: true,
		EarlyCompleted:       true,
		ReattachReindexes:    true,
		ShuffledTies:         true,
		FilterAfterPage:      true,
	}
}

// otherAnswers are those of the quirks that are more than a switch.
var otherAnswers = map[string][]any{
	"missing_extension":   {MissingFails, MissingAccepted},
	"max_filename":        {255},
	"attribute_value_max": {256},
	"alter_filenames": {
		LowerCaseFilenames, NFCFilenames, UnderscoreForSpace, UnderscoreForUnsafe, Latin1Filenames, PercentDecodedFilenames,
	},
	"batches_not_taken": {BatchesNotFound, BatchesFail, BatchesEmpty},
	"bad_file_in_batch": {BadFileFails, BadFileSkipped},
	"content_page_size": {1},
	"batch_max":         {100},
	"store_files_max":   {10_000},
}

// EachQuirk iterates over every answer but the default to every open question, each
// by itself and with its name, as "second_detach_ok" or "bad_file_in_batch=skip". A
// suite that runs under each of them passes whatever OpenAI's API does.
func EachQuirk() iter.Seq2[string, Quirks] {
	return func(yield func(string, Quirks) bool) {
		for field := range reflect.TypeFor[Quirks]().Fields() {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if field.Type.Kind() == reflect.Bool {
				var q Quirks
				reflect.ValueOf(&q).Elem().FieldByIndex(field.Index).SetBool(true)
				if !yield(name, q) {
					return
				}
				continue
			}
			for _, answer := range otherAnswers[name] {
				var q Quirks
				reflect.ValueOf(&q).Elem().FieldByIndex(field.Index).Set(reflect.ValueOf(answer).Convert(field.Type))
				if !yield(fmt.Sprintf("%s=%v", name, answer), q) {
					return
				}
			}
		}
	}
}
