package words

import (
	"strings"
	"testing"
)

func TestAnObjectIsLackedWhereAClauseSaysSoOfItsID(t *testing.T) {
	for message, lacked := range map[string]bool{
		"File 'file-1' not found in vector store 'vs_1'.":                          true,
		"No file found with id 'file-1' in vector store 'vs_1'.":                   true,
		"No such File object: file-1":                                              true,
		"The file file-1 does not exist":                                           true,
		"File file-1 could not be found.":                                          true,
		"File FILE-1 (a.md) doesn't exist":                                         true,
		"Cannot find file file-1":                                                  true,
		"Unknown file: file-1":                                                     true,
		"File docs/not there.md (id file-1) was not found":                         true,
		`litellm.NotFoundError: {"error": {"message": "File 'file-1' not found"}}`: true,
		"The requested resource '/v1/files/file-1' does not exist":                 true,
		`GET "/v1/files/file-1": it was not found`:                                 true,
		"Key 'openai_files:file-1' not found":                                      true,
		"Key 'stores:vs_1:file-1' not found":                                       true,
		"Key openai_file-1 not found":                                              true,
		"File not found: /data/file-1.bin":                                         true,
		"Unknown file_id: file-1":                                                  true,
		"Unknown vector_store_file file-1":                                         true,
		"No row was found for file-1":                                              true,
		"File file-1, whose removal was asked for, does not exist":                 true,
		"File file-1, whose lock was not found, is in use":                         false,
		"File 'file-1, not found.md' is in use":                                    false,
		"The requested resource '/v1/files/file-11' does not exist":                false,
		"The requested resource '/v1/files/old-file-1' does not exist":             false,
		"No lock was found for file-1":                                             false,
		"Unknown file_identity of file-1":                                          false,
		"Not found: ['file-1', 'file-2']":                                          true,
		"Vector store 'vs_1' not found.":                                           false,
		"File 'file-2' not found.":                                                 false,
		"File 'file-11' not found.":                                                false,
		"File file-1.md not found.":                                                false,
		"File file-1 is in use.":                                                   false,
		"File file-1 (unknown.md) is in use":                                       false,
		"File file-1 (not found.md) is in use":                                     false,
		"File file-1 (no such file, I think.md) is in use":                         false,
		"File not found again.md (file-1) is in use":                               false,
		"File file-1 of 'not found' is in use":                                     false,
		"File file-1 with title not found is in use":                               true, // nothing tells that from the server's words
		"File file-1 cannot be removed now because its lock was not found":         false,
		"File file-1 is locked. No such owner.":                                    false,
		"File file-1 met an unknown error":                                         false,
		`Bad request {"file_id": "file-1", "title": "not found"}`:                  false,
	} {
		w := Of(message, []string{"vs_1", "file-1"}, []string{"title", "not found"})
		if w.Lacks("file-1") != lacked {
			t.Errorf("%s: %q", message, w)
		}
	}
}

func TestAnIDThatLooksLikeAWordIsFoundWhereItIsPointedAt(t *testing.T) {
	for message, words := range map[string]string{
		"Vector store 'quota' not found":   "vector store '' not found",
		"Vector store quota not found":     "vector store '' not found",
		"You have exceeded your quota":     "you have exceeded your quota",
		"The id quota is that of no store": "the id '' is that of no store",
	} {
		w := Of(message, []string{"quota"}, nil)
		if w.String() != words || w.Lacks("quota") != strings.HasSuffix(message, "not found") {
			t.Errorf("%s: %q", message, w)
		}
	}
}
