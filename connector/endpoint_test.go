package openaivs

import "testing"

func TestTheEndpointIsShownWithoutAToken(t *testing.T) {
	for raw, want := range map[string]string{"https://t0ken@h/v1": "https://xxxxx@h/v1", "https://u:p@h/v1": "https://xxxxx@h/v1", "https://h/v1": "https://h/v1"} {
		if shown := redacted(raw); shown != want {
			t.Errorf("%q is shown as %q", raw, shown)
		}
	}
}
