// Package shardflake has IDs from the server at a URL, over one connection if one goroutine asks.
package shardflake

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// For a request, and for a call with all its waits.
var Client, Patience = http.Client{Timeout: 5 * time.Second}, 10 * time.Second

type Error struct{ Message, Code string } // Code is the server's word for what is wrong.
func (e *Error) Error() string            { return e.Message }
func NextID(url string) (string, error) {
	ids, err := ask(url + "/id")
	return strings.Join(ids, ""), err
}
func IDs(url string, n int) ([]string, error) { return ask(fmt.Sprint(url, "/ids/", n)) }
func ask(url string) ([]string, error) {
	for end := time.Now().Add(Patience); ; {
		reply, err := Client.Get(url + "?format=text")
		if err != nil {
			return nil, err // It names the URL and the cause.
		}
		body, err := io.ReadAll(reply.Body)
		reply.Body.Close()
		if err != nil || reply.StatusCode == 200 {
			return strings.Fields(string(body)), err
		}
		wait, err := time.ParseDuration(reply.Header.Get("Retry-After") + "s")
		if err != nil || time.Now().Add(wait).After(end) {
			_, code, _ := strings.Cut(string(body), `"code":"`)
			return nil, &Error{url + ": " + reply.Status + " " + string(body), strings.Trim(code, `"}`)}
		}
		time.Sleep(wait)
	}
}
