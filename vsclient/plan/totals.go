package plan

import (
	"cmp"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
)

const (
	filesPerAttach  = vsclient.DefaultBatchSize
	gigabyte        = 1 << 30
	pricePerDayOfGB = 0.10 // US dollars, as OpenAI publishes it
)

// sum adds up the entries.
func (p *Plan) sum(m *maker, store vsclient.Store) {
	t := Totals{}
	usage := 1.0 // bytes that OpenAI counts for a byte of content
	if m.store.Size > 0 {
		usage = float64(m.store.Usage) / float64(m.store.Size)
	}
	var changes int // removals, two requests each, and updates
	for _, e := range p.Entries {
		switch {
		case e.Withheld != "":
		case e.Action.Uploads():
			t.Uploads++
			t.Bytes += e.Bytes
			t.Storage += int64(usage * float64(e.Bytes))
			if e.FileID != "" {
				changes += 2
				t.Storage -= e.usage
			}
		case e.Action == Attributes:
			changes++
		case e.Action == Duplicate:
			changes += 2
			t.Storage -= int64(usage * float64(e.Bytes))
		case e.Action == Remove:
			for _, version := range append(m.store.Older[e.Key], m.store.Newest[e.Key]) {
				changes += 2
				t.Storage -= version.Usage
			}
		}
	}
	attaches := (t.Uploads + filesPerAttach - 1) / filesPerAttach
	t.Requests = t.Uploads + attaches + changes
	published := vsclient.PublishedLimits()
	for _, l := range [][3]int{
		{t.Uploads, m.o.Limits.UploadsPerMinute, published.UploadsPerMinute},
		{attaches, m.o.Limits.AttachRequestsPerMinute, published.AttachRequestsPerMinute},
		{t.Uploads, m.o.Limits.AttachedFilesPerMinute, published.AttachedFilesPerMinute},
	} {
		if n, limit := l[0], cmp.Or(l[1], l[2]); n > 0 && limit > 0 {
			t.Minutes = max(t.Minutes, (n-1)/limit) // a minute's worth goes at once
		}
	}
	t.PricePerDay = price(store.UsageBytes+t.Storage) - price(store.UsageBytes)
	p.Totals = t
}

// price is the price a day of a store that holds so many bytes.
func price(bytes int64) float64 {
	return pricePerDayOfGB * float64(max(0, bytes-gigabyte)) / gigabyte
}
