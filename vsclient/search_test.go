package vsclient_test

import (
	"errors"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/filter"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// The tests in this file are about Search.

// library fills a store with three documents of two languages and three years.
func library(t *testing.T) (*worldtest.World, *vsclient.Client) {
	t.Helper()
	w := worldtest.New(t, openaitest.Config{})
	c := w.Client()
	for _, d := range []vsclient.Document{
		with(doc("cats.md", "cats sleep on warm roofs"), vsclient.Attributes{"lang": "en", "year": 2023}),
		with(doc("dogs.md", "dogs sleep by the door"), vsclient.Attributes{"lang": "en", "year": 2024}),
		with(doc("katzen/de", "cats heißen hier Katzen und sleep"), vsclient.Attributes{"lang": "de", "year": 2025, "draft": true}),
	} {
		if _, err := c.Put(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	return w, c
}

func TestASearchFindsDocumentsByTheirKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		_, c := library(t)
		hits, err := c.Search(t.Context(), "Katzen", vsclient.SearchOptions{Limit: 1})
		is.NoErr(err)
		is.Equal(len(hits), 1)
		is.Equal(hits[0].Key, "katzen/de")
		is.True(strings.Contains(hits[0].Text, "Katzen"))
		is.True(hits[0].Score > 0 && hits[0].Score <= 1)
		is.Equal(hits[0].Attributes, vsclient.Attributes{"lang": "de", "year": 2025.0, "draft": true})
		is.True(strings.HasPrefix(hits[0].FileID, "file-"))
	})
}

func TestAFilterNarrowsASearch(t *testing.T) {
	for sentence, row := range map[string]struct {
		filter filter.Filter
		keys   []string
	}{
		"none":                        {filter.Filter{}, []string{"cats.md", "dogs.md", "katzen/de"}},
		"equal":                       {filter.Eq("lang", "de"), []string{"katzen/de"}},
		"not equal":                   {filter.Ne("lang", "de"), []string{"cats.md", "dogs.md"}},
		"a bool":                      {filter.Eq("draft", true), []string{"katzen/de"}},
		"above":                       {filter.Gt("year", 2023), []string{"dogs.md", "katzen/de"}},
		"at least":                    {filter.Gte("year", 2024), []string{"dogs.md", "katzen/de"}},
		"below":                       {filter.Lt("year", 2024), []string{"cats.md"}},
		"at most":                     {filter.Lte("year", 2023), []string{"cats.md"}},
		"one of some":                 {filter.In("year", 2023, 2025), []string{"cats.md", "katzen/de"}},
		"none of some":                {filter.NotIn("lang", "en", "fr"), []string{"katzen/de"}},
		"all of some":                 {filter.And(filter.Eq("lang", "en"), filter.Gt("year", 2023)), []string{"dogs.md"}},
		"one of several":              {filter.Or(filter.Eq("lang", "de"), filter.Lt("year", 2024)), []string{"cats.md", "katzen/de"}},
		"and of nothing":              {filter.And(filter.Filter{}), []string{"cats.md", "dogs.md", "katzen/de"}},
		"an attribute that none has":  {filter.Eq("owner", "me"), nil},
		"one within another":          {filter.Or(filter.And(filter.Eq("lang", "en"), filter.Eq("year", 2024)), filter.Eq("draft", true)), []string{"dogs.md", "katzen/de"}},
		"an empty one beside another": {filter.And(filter.Filter{}, filter.Eq("lang", "de")), []string{"katzen/de"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				_, c := library(t)
				hits, err := c.Search(t.Context(), "sleep", vsclient.SearchOptions{Filter: row.filter})
				is.NoErr(err)
				var keys []string
				for _, h := range hits {
					keys = append(keys, h.Key)
				}
				slices.Sort(keys)
				is.Equal(keys, row.keys)
			})
		})
	}
}

func TestASearchThatCannotBeIsRefusedWithoutARequest(t *testing.T) {
	for sentence, row := range map[string]struct {
		query   string
		options vsclient.SearchOptions
		kind    error
		says    string
	}{
		"no words":                     {" \n", vsclient.SearchOptions{}, vsclient.ErrRejected, "empty"},
		"too many hits":                {"x", vsclient.SearchOptions{Limit: 51}, vsclient.ErrRejected, "1 to 50"},
		"a negative number of hits":    {"x", vsclient.SearchOptions{Limit: -1}, vsclient.ErrRejected, "1 to 50"},
		"a score above 1":              {"x", vsclient.SearchOptions{MinScore: 1.1}, vsclient.ErrRejected, "0 to 1"},
		"a score that is no number":    {"x", vsclient.SearchOptions{MinScore: math.NaN()}, vsclient.ErrRejected, "0 to 1"},
		"a list for a value":           {"x", vsclient.SearchOptions{Filter: filter.Eq("a", []string{"b"})}, vsclient.ErrInvalidAttributes, `"a"`},
		"a filter without a name":      {"x", vsclient.SearchOptions{Filter: filter.Gt("", 1)}, vsclient.ErrInvalidAttributes, "name"},
		"a bad one among good filters": {"x", vsclient.SearchOptions{Filter: filter.And(filter.Eq("a", 1), filter.In("b", "c", nil))}, vsclient.ErrInvalidAttributes, `"b"`},
	} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{})
				_, err := w.Client().Search(t.Context(), row.query, row.options)
				is.True(errors.Is(err, row.kind))
				is.Equal(vsclient.ClassOf(err), vsclient.BadDocument)
				is.True(strings.Contains(err.Error(), row.says))
				is.Equal(w.Server.RequestCount(), 0)
			})
		})
	}
}

// The older version stays searchable until the newer one is, and a little longer.
func TestASearchDuringAReplacementFindsTheNewestVersionAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		c := w.Client()
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "sleep well"))))
		w.Strike(http.MethodDelete, "", openaitest.Fault{Times: -1, Kind: openaitest.FaultDelay, Delay: seconds(30)})
		go c.Put(t.Context(), doc("a.md", "sleep better")) //nolint:errcheck // the test ends before it
		time.Sleep(20 * time.Second)
		is.Equal(len(w.Searchable()), 1) // one name
		hits, err := c.Search(t.Context(), "sleep", vsclient.SearchOptions{})
		is.NoErr(err)
		is.Equal(len(hits), 1)
		is.Equal(hits[0].Text, "sleep better")
	})
}

// Two processes that put a key in one second may give their versions one number.
func TestASearchFindsOneOfTwoVersionsOfOneNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		for _, content := range []string{"sleep well", "sleep better"} {
			id := w.File("a.md", content)
			w.Server.AddStoreFile(w.Store, id, map[string]any{"vs_key": "a.md", "vs_version": "0946688400000000"})
		}
		hits, err := w.Client().Search(t.Context(), "sleep", vsclient.SearchOptions{})
		is.NoErr(err)
		is.Equal(len(hits), 1)
	})
}

func TestASearchIsTriedAgainAndItsStoreIsNamedWhenItIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w, c := library(t)
		w.Server.Inject(openaitest.Fault{Method: "POST", Times: 3, Kind: openaitest.FaultStatus, Status: http.StatusServiceUnavailable})
		hits, err := c.Search(t.Context(), "sleep", vsclient.SearchOptions{})
		is.NoErr(err)
		is.Equal(len(hits), 3)
		w.Request(http.MethodDelete, "/vector_stores/"+w.Store, "")
		_, err = c.Search(t.Context(), "sleep", vsclient.SearchOptions{})
		is.True(errors.Is(err, vsclient.ErrStoreGone))
		is.NoErr(c.Close())
		_, err = c.Search(t.Context(), "sleep", vsclient.SearchOptions{})
		is.True(errors.Is(err, vsclient.ErrClosed))
	})
}
