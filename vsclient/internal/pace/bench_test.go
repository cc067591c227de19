package pace

import "testing"

func BenchmarkPassAGate(b *testing.B) {
	g := newGate(1 << 30)
	b.ReportAllocs()
	for b.Loop() {
		leave, err := g.Pass(b.Context(), 1)
		if err != nil {
			b.Fatal(err)
		}
		leave()
	}
}
