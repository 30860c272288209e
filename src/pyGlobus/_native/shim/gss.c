/* GSS-API: what needs OpenSSL's types, or memory that must be overwritten. */
#include "shim.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

/* declared in gssapi_openssl.h, which is not installed */
extern gss_OID_desc *gss_nt_host_ip;

gss_OID cog_gss_nt_host_ip(void)
{
    return gss_nt_host_ip;
}

void cog_gss_release_secret(gss_buffer_t buffer)
{
    OM_uint32 minor;

    if (buffer->value)
    {
        OPENSSL_cleanse(buffer->value, buffer->length);
    }
    gss_release_buffer(&minor, buffer);
}

OM_uint32 cog_gss_to_cred(
    gss_cred_id_t credential, OM_uint32 *minor, globus_gsi_cred_handle_t *handle)
{
    gss_buffer_desc buffer = GSS_C_EMPTY_BUFFER;
    OM_uint32 major;
    BIO *memory;
    globus_result_t result;

    /* option 0: the credential itself, not the name of a file */
    major = gss_export_cred(minor, credential, GSS_C_NO_OID, 0, &buffer);
    if (major != GSS_S_COMPLETE)
    {
        return major;
    }
    memory = BIO_new_mem_buf(buffer.value, (int) buffer.length);
    result = memory ? globus_gsi_cred_handle_init(handle, NULL) : (globus_result_t) GLOBUS_FAILURE;
    if (result == GLOBUS_SUCCESS)
    {
        result = globus_gsi_cred_read_proxy_bio(*handle, memory);
        if (result != GLOBUS_SUCCESS)
        {
            globus_gsi_cred_handle_destroy(*handle);
        }
    }
    BIO_free(memory);
    cog_gss_release_secret(&buffer);
    *minor = (OM_uint32) result;
    return result == GLOBUS_SUCCESS ? GSS_S_COMPLETE : GSS_S_FAILURE;
}

void *cog_proxy_cert_info_new(
    const char *language, const unsigned char *policy, int length, long path_length)
{
    PROXY_CERT_INFO_EXTENSION *info = PROXY_CERT_INFO_EXTENSION_new();
    ASN1_OBJECT *object = OBJ_txt2obj(language, 1);

    if (!info || !object)
    {
        goto failed;
    }
    if (path_length >= 0)
    {
        info->pcPathLengthConstraint = ASN1_INTEGER_new();
        if (!info->pcPathLengthConstraint
            || !ASN1_INTEGER_set(info->pcPathLengthConstraint, path_length))
        {
            goto failed;
        }
    }
    ASN1_OBJECT_free(info->proxyPolicy->policyLanguage);
    info->proxyPolicy->policyLanguage = object;
    object = NULL;
    if (policy)
    {
        if (!info->proxyPolicy->policy)
        {
            info->proxyPolicy->policy = ASN1_OCTET_STRING_new();
        }
        if (!info->proxyPolicy->policy
            || !ASN1_OCTET_STRING_set(info->proxyPolicy->policy, policy, length))
        {
            goto failed;
        }
    }
    return info;

failed:
    ASN1_OBJECT_free(object);
    PROXY_CERT_INFO_EXTENSION_free(info);
    ERR_clear_error();
    return NULL;
}

void cog_proxy_cert_info_free(void *info)
{
    PROXY_CERT_INFO_EXTENSION_free(info);
}

int cog_register_oid(const char *oid)
{
    int nid = OBJ_txt2nid(oid);

    if (nid == NID_undef)
    {
        nid = OBJ_create(oid, oid, oid);
        ERR_clear_error();
    }
    return nid;
}

int cog_certificate_key_bits(const unsigned char *der, size_t length)
{
    X509 *certificate = d2i_X509(NULL, &der, (long) length);
    EVP_PKEY *key = certificate ? X509_get0_pubkey(certificate) : NULL;
    int bits = key ? EVP_PKEY_get_bits(key) : 0;

    if (key && EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA)
    {
        bits = -bits;
    }
    X509_free(certificate);
    ERR_clear_error();
    return bits;
}
