// A service's health as grpc-go sees it: with Check and Watch of its stubs, and with the health
// checking of its clients, which takes a connection out of use while the server is not serving.
//
//	health ADDRESS SV RUN
//
// ADDRESS is that of product; SV is runit's program and RUN the folder with the mesh's units, to
// take the database away and to drain product. It ends with status 0 when all was as promised.
package main

import (
	"context"
	"log"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/health" // for healthCheckConfig
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

const (
	limit  = 120 * time.Second // for everything
	name   = "product.v1.ProductService"
	config = `{"loadBalancingConfig": [{"round_robin": {}}],
		"healthCheckConfig": {"serviceName": "` + name + `"}}`
)

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func expect(got, want, what string) {
	if got != want {
		log.Fatalf("%s: %s instead of %s", what, got, want)
	}
}

func dial(address string, options ...grpc.DialOption) *grpc.ClientConn {
	options = append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))
	conn, err := grpc.NewClient(address, options...)
	must(err)
	return conn
}

// check is the status of the service, or the code of the error.
func check(ctx context.Context, conn *grpc.ClientConn, service string) (string, error) {
	health := grpc_health_v1.NewHealthClient(conn)
	answer, err := health.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: service})
	if err != nil {
		return status.Code(err).String(), err
	}
	return answer.Status.String(), nil
}

// watch sends each status of the service, and the code of the error when a Watch ends; then there
// is another one.
func watch(ctx context.Context, conn *grpc.ClientConn, service string) <-chan string {
	health := grpc_health_v1.NewHealthClient(conn)
	said := make(chan string)
	go func() {
		for {
			stream, err := health.Watch(ctx, &grpc_health_v1.HealthCheckRequest{Service: service},
				grpc.WaitForReady(true))
			for err == nil {
				var now *grpc_health_v1.HealthCheckResponse
				if now, err = stream.Recv(); err == nil {
					said <- now.Status.String()
				}
			}
			said <- status.Code(err).String()
		}
	}()
	return said
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	conn := dial(os.Args[1])
	checking := dial(os.Args[1], grpc.WithDefaultServiceConfig(config))
	watches := []<-chan string{watch(ctx, conn, ""), watch(ctx, conn, name)}
	tell := func(order, unit string) {
		must(exec.Command(os.Args[2], order, os.Args[3]+"/"+unit).Run())
	}

	// Everybody says so; the watches may say what passes before.
	all := func(want, when string, passing ...string) {
		for _, said := range watches {
			got := <-said
			for slices.Contains(passing, got) {
				got = <-said
			}
			expect(got, want, "Watch "+when)
		}
		for _, service := range []string{"", name} {
			got, _ := check(ctx, conn, service)
			expect(got, want, "Check "+when)
		}
		state := connectivity.Ready
		if want != "SERVING" {
			state = connectivity.TransientFailure
		}
		checking.Connect()
		for now := checking.GetState(); now != state; now = checking.GetState() {
			if !checking.WaitForStateChange(ctx, now) {
				log.Fatalf("the connection %s: %s instead of %s", when, now, state)
			}
		}
		got, err := check(ctx, checking, name)
		if want == "SERVING" {
			expect(got, want, "a call "+when)
		} else if got != codes.Unavailable.String() || !strings.Contains(err.Error(), "health check") {
			log.Fatalf("a call %s was not kept back: %s %v", when, got, err)
		}
	}

	all("SERVING", "at first")
	tell("down", "postgres")
	all("NOT_SERVING", "without the database")
	tell("up", "postgres")
	all("SERVING", "with the database again")
	tell("term", "product")
	all("NOT_SERVING", "before the drain")
	for _, said := range watches {
		expect(<-said, codes.Unavailable.String(), "Watch in the drain")
	}
	all("SERVING", "after the restart", codes.Unavailable.String(), "NOT_SERVING")

	got, _ := check(ctx, conn, "no.such.Service")
	expect(got, codes.NotFound.String(), "Check of an unknown service")
	expect(<-watch(ctx, conn, "no.such.Service"), "SERVICE_UNKNOWN", "Watch of an unknown service")
}
