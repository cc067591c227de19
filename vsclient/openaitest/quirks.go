package openaitest

import (
	"encoding/json"
	"fmt"
	"iter"
	"reflect"
	"strings"
)

// Quirks are switches for questions that OpenAI's documents leave open or answer in
// more than one way, for behaviour of the live API that users report and the documents
// contradict, and for behaviour of other servers. The zero value follows the documents.
// The flag -quirk of the program openaitest takes the names in JSON.
type Quirks struct {
	// MissingExtension is the fate of a file whose name has no extension.
	MissingExtension MissingExtension `json:"missing_extension,omitempty"`

	// MaxFilename is the longest file name accepted, in characters; 0: any length.
	MaxFilename int `json:"max_filename,omitempty"`
	// BaseFilenames keeps only the part of a file name after its last slash.
	BaseFilenames bool `json:"base_filenames,omitempty"`
	// DecodeFilenames decodes %22, %0D and %0A. Browsers and SDKs encode a quote,
	// CR and LF so in a multipart header.
	DecodeFilenames bool `json:"decode_filenames,omitempty"`
	// AlterFilenames alters every file name before it is stored; empty: names are
	// stored as sent. It comes after DecodeFilenames and BaseFilenames.
	AlterFilenames AlterFilenames `json:"alter_filenames,omitempty"`
	// CheckUploadExtension refuses an unsupported extension at the upload, for
	// purpose assistants.
	CheckUploadExtension bool `json:"check_upload_extension,omitempty"`

	// ExtensionCase makes extensions case-sensitive: that of "a.MD" is unsupported.
	ExtensionCase bool `json:"extension_case,omitempty"`

	// AttributesDropped stores no attributes: attaches, batches and updates accept
	// them, and every reply shows none.
	AttributesDropped bool `json:"attributes_dropped,omitempty"`
	// SearchKeepsAttributes makes searches filter by and show the attributes of the
	// attach, without later updates, as OGX does.
	SearchKeepsAttributes bool `json:"search_keeps_attributes,omitempty"`
	// UnequalPassesAbsent lets a file without the attribute pass a filter of type ne or nin.
	UnequalPassesAbsent bool `json:"unequal_passes_absent,omitempty"`
	// AttributeValueMax is the greatest length of an attribute value; 0 is 512, as in
	// the OpenAPI document. The retrieval guide says 256.
	AttributeValueMax int `json:"attribute_value_max,omitempty"`
	// AttributeBytes counts the length of attributes in bytes, not characters.
	AttributeBytes bool `json:"attribute_bytes,omitempty"`

	// ReattachKeepsAttributes keeps the attributes of a file that is attached again,
	// instead of setting those of the second attach.
	ReattachKeepsAttributes bool `json:"reattach_keeps_attributes,omitempty"`
	// ReattachReindexes puts a completed file that is attached again back to
	// in_progress. A file that is not completed is always indexed again.
	ReattachReindexes bool `json:"reattach_reindexes,omitempty"`

	// BadFileInBatch is the effect of one unknown id or unsupported file on the
	// batch that holds it.
	BadFileInBatch BadFileInBatch `json:"bad_file_in_batch,omitempty"`
	// UnknownFile400 answers 400 instead of 404 when a file that does not exist
	// is attached.
	UnknownFile400 bool `json:"unknown_file_400,omitempty"`

	// Absent400 answers 400 instead of 404 when a vector store or store file does not
	// exist, as OGX does. The message says "not found" and names the id.
	// AbsentFile400 does the same for a File.
	Absent400     bool `json:"absent_400,omitempty"`
	AbsentFile400 bool `json:"absent_file_400,omitempty"`

	// SecondDetachOK answers 200 instead of 404 to a second detach of a file.
	SecondDetachOK bool `json:"second_detach_ok,omitempty"`

	// DetachEverywhere makes a detach from one store detach the File from all stores,
	// as a user reports of the live API.
	DetachEverywhere bool `json:"detach_everywhere,omitempty"`

	// RateLimitHeaders sends x-ratelimit-* with replies under a limit.
	RateLimitHeaders bool `json:"rate_limit_headers,omitempty"`

	// ContentPageSize is the number of chunks on a page of a store file's parsed
	// content; 0: one page holds all. ?page=<next_page> requests the next page.
	ContentPageSize int `json:"content_page_size,omitempty"`
	// ContentNotFound answers 404 to every request for parsed content.
	ContentNotFound bool `json:"content_not_found,omitempty"`
	// ContentLegacyShape answers parsed content as the example of the OpenAPI
	// document does: {file_id, filename, attributes, content}.
	ContentLegacyShape bool `json:"content_legacy_shape,omitempty"`
	// ContentOverlap repeats the overlap with the chunk before in each chunk of the
	// parsed content.
	ContentOverlap bool `json:"content_overlap,omitempty"`

	// IdempotencyKeys honours the header Idempotency-Key: a POST with a known key
	// gets the first reply again. Without this quirk the header is ignored.
	IdempotencyKeys bool `json:"idempotency_keys,omitempty"`

	// DeleteLeavesCounts keeps a deleted File counted in the file_counts of the
	// stores that it was attached to when it was deleted.
	DeleteLeavesCounts bool `json:"delete_leaves_counts,omitempty"`
	// DeleteLeavesStoreFile keeps the store file when its File is deleted.
	DeleteLeavesStoreFile bool `json:"delete_leaves_store_file,omitempty"`
	// ExpiryLeavesStoreFile keeps the store file when its File expires.
	ExpiryLeavesStoreFile bool `json:"expiry_leaves_store_file,omitempty"`

	// DeletedCursorRefused answers 400 when `after` or `before` names an object that is
	// no longer listed, instead of continuing from its place.
	DeletedCursorRefused bool `json:"deleted_cursor_refused,omitempty"`
	// FilterAfterPage filters a listing after it was cut into pages: a page may be
	// short or empty although has_more is true.
	FilterAfterPage bool `json:"filter_after_page,omitempty"`
	// ShuffledTies lists objects of the same second in random order instead of order
	// of creation.
	ShuffledTies bool `json:"shuffled_ties,omitempty"`

	// UpdateWhileIndexingRefused answers 409 to an update of the attributes of
	// a file that is in progress.
	UpdateWhileIndexingRefused bool `json:"update_while_indexing_refused,omitempty"`
	// WritesNotFound applies the NotFoundWindow to the update and the detach of a
	// store file, too.
	WritesNotFound bool `json:"writes_not_found,omitempty"`

	// BatchesNotTaken is the answer of a server without batches; empty: it has batches.
	BatchesNotTaken BatchesNotTaken `json:"batches_not_taken,omitempty"`
	// BatchMax is the most files of a batch; 0 is 2,000. Earlier limits of OpenAI are
	// 100 and 500.
	BatchMax int `json:"batch_max,omitempty"`
	// StoreFilesMax is the most files of a store; 0 is any number. At OpenAI it is
	// 10,000 for stores made before November 2025.
	StoreFilesMax int `json:"store_files_max,omitempty"`
	// UnknownBatch500 answers 500 to an unknown batch id, and CancelBatch500 to the
	// cancel of a batch.
	UnknownBatch500 bool `json:"unknown_batch_500,omitempty"`
	CancelBatch500  bool `json:"cancel_batch_500,omitempty"`
	// FreshBatchListing500 answers 500 to the listing of a batch's files in the two
	// seconds after its creation, as in one recorded reply of the live API.
	FreshBatchListing500 bool `json:"fresh_batch_listing_500,omitempty"`
	// BatchGetReturnsStore answers GET on a batch with its vector store.
	BatchGetReturnsStore bool `json:"batch_get_returns_store,omitempty"`
	// SpecBatchObject gives a batch the object type vector_store.files_batch of the
	// OpenAPI document's enum. The default is that of the live API,
	// vector_store.file_batch.
	SpecBatchObject bool `json:"spec_batch_object,omitempty"`

	// EarlyCompleted gives a vector store the status completed while it still indexes.
	EarlyCompleted bool `json:"early_completed,omitempty"`
	// EarlyListed has the listing of a store's files show a file as completed while it is
	// still being indexed, also one that will fail. GET on the store file, and the listing
	// of a batch's files, tell the truth.
	EarlyListed bool `json:"early_listed,omitempty"`
	// NullBytes answers POST /files with bytes null.
	NullBytes bool `json:"null_bytes,omitempty"`
	// OctetStreamUploads accepts application/octet-stream as the mime_type of an upload
	// for purpose assistants. Public tests against the live API send it, while the
	// OpenAPI document requires a supported type.
	OctetStreamUploads bool `json:"octet_stream_uploads,omitempty"`
	// CompleteTwiceOK answers a second completion of an upload with the same upload
	// and File, instead of 400.
	CompleteTwiceOK bool `json:"complete_twice_ok,omitempty"`
	// IgnoreUnknownFields ignores unknown fields of a body, instead of answering 400.
	IgnoreUnknownFields bool `json:"ignore_unknown_fields,omitempty"`
}

// Set sets the quirk of that name in JSON. The value is JSON, or a text without quotes.
func (q *Quirks) Set(name, value string) error {
	var given any = json.RawMessage(value)
	if !json.Valid([]byte(value)) {
		given = value
	}
	data, err := json.Marshal(map[string]any{name: given})
	if err != nil {
		return err
	}
	return decodeStrictly(data, q)
}

// MissingExtension is the fate of a file whose name has no extension.
type MissingExtension string

const (
	MissingRefused  MissingExtension = "refused"  // the attach is answered 400; the default
	MissingFails    MissingExtension = "fails"    // attached, then failed with unsupported_file
	MissingAccepted MissingExtension = "accepted" // indexed as text
)

// BadFileInBatch is the effect on a batch of a file that cannot be attached.
type BadFileInBatch string

const (
	BadFileRefusesBatch BadFileInBatch = "refuse" // the batch is answered 400 or 404 and attaches nothing; the default
	BadFileFails        BadFileInBatch = "fail"   // the others are attached; it counts as failed
	BadFileSkipped      BadFileInBatch = "skip"   // the others are attached; it is not counted at all
)

// BatchesNotTaken is the answer of a server without batches.
type BatchesNotTaken string

const (
	BatchesNotFound BatchesNotTaken = "not_found"    // every request under …/file_batches is answered 404, like an unknown URL
	BatchesFail     BatchesNotTaken = "server_error" // every request under …/file_batches is answered 500
	// BatchesEmpty answers a new batch of "files" with 200, status completed and total 0,
	// and attaches nothing, as OGX does. A batch of "file_ids" is attached.
	BatchesEmpty BatchesNotTaken = "empty"
)

// ReportedQuirks returns the quirks that users report of the live API and that its
// documents contradict.
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

// otherAnswers are the answers of the quirks that are not booleans, without the default.
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

// EachQuirk iterates over every quirk, one at a time, with each of its answers except
// the default. It yields a name, such as "second_detach_ok" or "bad_file_in_batch=skip".
// A client whose tests pass under each of them depends on none of the open questions.
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
