// Package words finds the words of a refusal that are the server's own. It knows no statuses.
package words

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Words is a message without the parts that repeat the request, in lower case. The zero Words
// is empty.
type Words struct {
	marked string   // with a mark in place of each id, and spoken around texts of error objects
	plain  string   // with quotes in place of these
	ids    []string // that the request names, the longest first
}

// spoken stands before and behind a text of an error object within a message.
const spoken = "\x01"

// mark stands in place of the id with that number.
func mark(i int) string { return fmt.Sprintf("\x00%d\x00", i) }

var marks = regexp.MustCompile("\x00[0-9]+\x00")

// Of takes out of a message the parts that the request has put there, so that a document
// called "quota" is not taken for a lack of it. These are texts of the request where the
// message points at them, quotes, ids, and names of files. An error object that the message
// holds, as gateways pass it on, is the server's word.
func Of(message string, ids, texts []string) Words {
	w := Words{ids: lowered(ids)}
	message = strings.ToLower(message)
	for i, id := range w.ids {
		likeNone := strings.ContainsAny(id, "_-0123456789") && len(id) >= len("vs_1") // as no word is
		message = replace(message, id, mark(i), func(before, after string) bool {
			if likeNone {
				return startOfID.MatchString(before) && (endOfWord.MatchString(after) || strings.HasSuffix(before, "/") && strings.HasPrefix(after, "."))
			}
			return isWord(before, after) && (pointed(before, after) || behindNoun.MatchString(before))
		})
	}
	own := lowered(texts)
	for _, text := range own {
		fileName, long := extension.MatchString(text), len(text) >= minText
		message = replace(message, text, "''", func(before, after string) bool {
			return isWord(before, after) && (fileName || pointed(before, after) || long && named.MatchString(before))
		})
	}
	w.marked = fileNames.ReplaceAllString(withoutQuotes(message, own), "$1$2 ''")
	w.plain = strings.ReplaceAll(marks.ReplaceAllString(w.marked, "''"), spoken, "\n")
	return w
}

// String returns the words. A text of an error object has a line of its own.
func (w Words) String() string { return w.plain }

// HasError reports whether an error object within the message has exactly this text.
func (w Words) HasError(text string) bool { return strings.Contains(w.marked, spoken+text+spoken) }

// absence matches words such as "not found". asides matches a clause inside another. clauses
// matches the end of a clause.
var (
	absence = regexp.MustCompile(`(?:not|n't) (?:be )?found|(?:not|n't|no longer) exist|\bno such\b|(?:not|n't) find\b|` +
		`\bno (?:vector[ _]store|file|vector[ _]store file|row|record|entry|object)s? (?:was |were )?found|` +
		`\bunknown (?:vector[ _])?(?:store[ _])?(?:file|store|id)(?:[ _]id)?\b`)
	asides  = regexp.MustCompile(`, (?:because|since|while|whose)\b[^,.;!?\n\x01]*,`)
	clauses = regexp.MustCompile(`[.;!?]\s|[\n\x01]|\b(?:because|since|while|but|whose|its)\b`)
)

// Lacks reports whether a clause says of an id of the request that its object is not there.
func (w Words) Lacks(id string) bool {
	i := slices.Index(w.ids, strings.ToLower(id))
	return i >= 0 && slices.ContainsFunc(clauses.Split(asides.ReplaceAllString(w.marked, ""), -1), func(clause string) bool {
		return strings.Contains(clause, mark(i)) && absence.MatchString(clause)
	})
}

// lowered returns the texts in lower case, the longest first: one may hold another.
func lowered(texts []string) []string {
	all := make([]string, 0, len(texts))
	for _, text := range texts {
		if text = strings.ToLower(text); strings.TrimSpace(text) != "" {
			all = append(all, text)
		}
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	return slices.Compact(all)
}

// noun finds a word behind which the name of a file stands.
const noun = `\b(?:files?|documents?|named?|called)\b`

// nearby is how much of a message is looked at before and behind a text, in bytes.
const nearby = 40

// minText is how long a text is that may be taken for the name of a file.
const minText = 20

// replace puts by in the places of a text that stands allows, given the parts of the message
// before and behind it.
func replace(message, text, by string, stands func(before, after string) bool) string {
	var b strings.Builder
	done := 0
	for at := strings.Index(message, text); at >= 0; {
		end := at + len(text)
		before, after := message[max(done, at-nearby):at], message[end:min(end+nearby, len(message))]
		if stands(before, after) {
			b.WriteString(message[done:at])
			b.WriteString(by)
			done = end
		}
		next := strings.Index(message[end:], text)
		if next < 0 {
			break
		}
		at = end + next
	}
	return b.String() + message[done:]
}

var (
	startOfWord = regexp.MustCompile(`(?:^|[^\w-])$`)
	endOfWord   = regexp.MustCompile(`^(?:\.?$|\.\W|[^\w.-])`)
	startOfID   = regexp.MustCompile(`(?:^|[^a-z0-9-])$`) // a server may put its own word and _ before an id

	// named finds that a text behind it is the name of a file, and behindNoun that it is an
	// id that looks like a word.
	named      = regexp.MustCompile(`\b(?:files?|documents?)\W*$`)
	behindNoun = regexp.MustCompile(`\b(?:file|store|id)\W*$`)

	// leading and trailing find that the text between them is a name or a value: behind a
	// word for one, or alone in quotes, in parentheses or in a list. A text in quotes before
	// a colon may be a name in an error object.
	leading  = regexp.MustCompile(`\b(?:attributes?|fields?|columns?|propert(?:y|ies)|values?|named?|called)\b[:=]?\s*$`)
	opening  = regexp.MustCompile("(?:[(\\[{=:,]\\s*|[\"'`“«])$")
	trailing = regexp.MustCompile(`^ (?:attributes?|fields?|columns?|propert(?:y|ies)|values?)\b`)
	closing  = regexp.MustCompile("^(?:\\s*[)\\]},;=:]|\\.?\\s*$|\\.\\s|[\"'`”»]\\s*(?:[^\\s:]|$))")

	extension = regexp.MustCompile(`\.[a-z0-9]{1,5}$`)

	// fileNames finds names of files that OpenAI indexes. One is a single word, or stands with
	// up to two words more behind a noun, or with any number in parentheses behind a noun or an
	// id. The other words before it are the server's.
	fileNames = regexp.MustCompile(`(?:((?:` + noun + `|\x00) ?\()(?:[^\s()\x00\x01]*[^\s()\x00\x01.;!?] )*?|(` + noun + ` )(?:[^\s():;,'"\x00\x01]*[^\s():;,'"\x00\x01.!?] ){0,2}?|)` +
		`[^\s():;,'"\x00\x01]*\.(?:c|cpp|cs|css|docx?|go|html|java|js|json|md|pdf|php|pptx|py|rb|sh|tex|ts|txt)\b`)
)

// isWord reports whether a text between before and after is a word, or more.
func isWord(before, after string) bool {
	return startOfWord.MatchString(before) && endOfWord.MatchString(after)
}

// pointed reports whether a message points at the text between before and after as at a
// name or a value.
func pointed(before, after string) bool {
	return leading.MatchString(before) || trailing.MatchString(after) || opening.MatchString(before) && closing.MatchString(after)
}

// quotes are pairs of quotes around the parts of a message that quote the request.
var quotes = map[rune]rune{'"': '"', '\'': '\'', '`': '`', '“': '”', '«': '»'}

// telling are the names in an error object whose texts are the server's word.
var telling = []string{"message", "msg", "detail", "error", "code", "type"}

// unescaped undoes the escapes of quotes in a text of JSON or Python.
var unescaped = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\'`, `'`)

// withoutQuotes empties the quotes in a message. The marked ids in one stay, and so does a
// telling text. Where the request has the telling name itself, it tells only right in the
// object of an error: anywhere else the server may repeat an attribute. A quote begins a
// word. One in apostrophes may hold an apostrophe, and any an escaped quote.
func withoutQuotes(message string, own []string) string {
	var b strings.Builder
	unclosed := make(map[rune]bool) // quotes that nothing closes from here on: each is looked for once
	before, told := ' ', -1         // told: how much of the message is left where a telling text begins
	within, inner := false, -1      // within: the object of an error; inner: how much is left where one begins
	for message != "" {
		open, size := utf8.DecodeRuneInString(message)
		end := -1
		closing, ok := quotes[open]
		if ok && !unclosed[open] && strings.ContainsRune(" \t\r\n(:=[,{", before) {
			end = quoteEnd(message[size:], closing)
			unclosed[open] = end < 0 && open != '"' // whose end depends on where an escape begins
		}
		before = open
		if open == '{' || open == '}' {
			within = len(message) == inner
		}
		if end < 0 {
			b.WriteString(message[:size])
			message = message[size:]
			continue
		}
		text, tells := message[size:size+end-utf8.RuneLen(closing)], len(message) == told
		message = message[size+end:]
		switch {
		case tells:
			b.WriteString(spoken + withoutQuotes(unescaped.Replace(text), own) + spoken)
		case marks.MatchString(text):
			b.WriteString(strings.Join(marks.FindAllString(text, -1), " "))
		default:
			b.WriteString("''")
		}
		if value, ok := strings.CutPrefix(strings.TrimLeft(message, " "), ":"); ok && slices.Contains(telling, text) {
			value = strings.TrimLeft(value, " [")
			if within || !slices.Contains(own, text) {
				told = len(value)
			}
			if text == "error" {
				inner = len(value)
			}
		}
	}
	return b.String()
}

// quoteEnd returns where the text behind the closing quote begins; -1: there is none.
func quoteEnd(s string, closing rune) int {
	escaped := false
	for i, r := range s {
		end := i + utf8.RuneLen(r)
		next, _ := utf8.DecodeRuneInString(s[min(end, len(s)):])
		switch {
		case escaped:
			escaped = false
		case r == '\\' && closing == '"':
			escaped = true
		case r == closing && (closing != '\'' || !unicode.IsLetter(next)):
			return end
		}
	}
	return -1
}
