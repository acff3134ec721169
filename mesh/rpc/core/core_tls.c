#include "mesh/rpc/core/core.h"
#include "mesh/rpc/pem.h"

mesh_code core_server_credentials(const mesh_tls_options *tls,
                                  grpc_server_credentials **credentials, mesh_error *err)
{
    mesh_pems pems = {0};
    grpc_ssl_pem_key_cert_pair pair;
    grpc_ssl_server_certificate_config *config;
    grpc_ssl_server_credentials_options *options;
    mesh_code code;

    if (tls == NULL) {
        *credentials = grpc_insecure_server_credentials_create();
        return MESH_OK;
    }
    code = mesh_pems_read_server(tls, &pems, err);
    if (code != MESH_OK)
        goto done;
    pair = (grpc_ssl_pem_key_cert_pair){.private_key = pems.key, .cert_chain = pems.certificate};
    config = grpc_ssl_server_certificate_config_create(pems.ca, &pair, 1);
    options = grpc_ssl_server_credentials_create_options_using_config(
        tls->require_client_certificate ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                                        : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE,
        config);
    *credentials = grpc_ssl_server_credentials_create_with_options(options);
    if (*credentials == NULL)
        code = mesh_error_set(err, MESH_INVALID_ARGUMENT, "TLS certificate %s: unusable",
                              tls->certificate_file);
done:
    mesh_pems_clear(&pems);
    return code;
}

mesh_code core_channel_credentials(const mesh_tls_options *tls,
                                   grpc_channel_credentials **credentials, mesh_error *err)
{
    mesh_pems pems = {0};
    grpc_ssl_pem_key_cert_pair pair;
    mesh_code code;

    if (tls == NULL) {
        *credentials = grpc_insecure_credentials_create();
        return MESH_OK;
    }
    code = mesh_pems_read(tls, &pems, err);
    if (code != MESH_OK)
        goto done;
    pair = (grpc_ssl_pem_key_cert_pair){.private_key = pems.key, .cert_chain = pems.certificate};
    *credentials = grpc_ssl_credentials_create(pems.ca, pems.certificate != NULL ? &pair : NULL,
                                               NULL, NULL);
    if (*credentials == NULL)
        code = mesh_error_set(err, MESH_INVALID_ARGUMENT, "the TLS files are unusable");
done:
    mesh_pems_clear(&pems);
    return code;
}
